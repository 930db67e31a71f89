"""The golden corpus: what folding known traces gives, as digests, with the number of the fold.

Run ``python -m tests.log.golden`` after you have raised ``FOLD`` to write it again.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from realtime_trio._log._log_block import encode_block
from realtime_trio._log._log_entries import LogItem
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import FOLD, StateSnapshot, digest, write_snapshot
from tests.log.stories import LOCAL, header, item_of

DATA = Path(__file__).resolve().parent.parent / "data"
DIGESTS = DATA / "log" / "digests.json"
OLD_BLOCK = DATA / "log" / "block.bin"
OLD_SNAPSHOT = DATA / "log" / "snapshot.bin"


def traces() -> dict[str, list[LogItem]]:
    """Every trace and every recording of the corpus as entries."""
    found: dict[str, list[LogItem]] = {}
    for folder in ("replay", "recordings"):
        for path in sorted((DATA / folder).iterdir()):
            if path.name.endswith((".jsonl", ".jsonl.gz")):
                data = path.read_bytes()
                text = gzip.decompress(data) if path.suffix == ".gz" else data
                found[f"{folder}/{path.name}"] = [header(), *_items(text.splitlines())]
    return found


def _items(lines: list[bytes]) -> list[LogItem]:
    items: list[LogItem] = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            items.append(line.decode(errors="replace"))
            continue
        if isinstance(row, dict) and "dir" in row and "type" not in row:
            if row["dir"] == "in" and isinstance(row.get("text"), str):
                items.append(row["text"])
        elif not (isinstance(row, dict) and "__ctl" in row):
            items.append(line.decode())
    return items


def small_story() -> list[LogItem]:
    """One of each kind of entry that the formats have to keep reading."""
    start = {"type": "text_delta", "session_id": "s", "content": "Hi "}
    seen = {"type": "voice_list", "id": "e1", "voices": [{"voice_id": "v"}]}
    from realtime_trio._log._log_entries import local_entry

    return [header(), *map(item_of, (start, seen, b"abc")), *map(local_entry, LOCAL[:6])]


def folded(items: list[LogItem]) -> LogFold:
    """The fold of entries that arrived a second apart."""
    fold = LogFold()
    fold.apply_groups([(1_700_000_000.0 + i, [item]) for i, item in enumerate(items)])
    return fold


def main() -> None:
    """Write the corpus."""
    DIGESTS.parent.mkdir(exist_ok=True)
    digests = {name: digest(folded(items).state) for name, items in traces().items()}
    DIGESTS.write_text(json.dumps({"fold": FOLD, "digests": digests}, indent=1) + "\n")
    items = small_story()
    OLD_BLOCK.write_bytes(encode_block(1, [(1_700_000_000.0, items)]).data)
    cut = folded(items).cut()
    OLD_SNAPSHOT.write_bytes(
        write_snapshot(StateSnapshot(position=len(items), at=1_700_000_000.0, cut=cut))
    )


if __name__ == "__main__":
    main()

"""The jitter buffer: nothing lost, nothing added, short answers, underruns, bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realtime_trio.audio import AudioFormat, JitterBuffer, PlaybackConfig, tone
from realtime_trio.audio._pcm import samples_of

MONO = AudioFormat()
STEREO = AudioFormat(16_000, 2)
PLAIN = PlaybackConfig(fade=0.0)
BLOCK = 640  # bytes of 20 ms
INF = float("inf")


def ms(milliseconds: float, value: int = 1000) -> bytes:
    """Return some milliseconds of a constant."""
    return value.to_bytes(2, "little", signed=True) * round(16 * milliseconds)


def played(buffer: JitterBuffer, now: float = 0.04) -> bytes:
    """Pull until the buffer is empty, from the time when the target has passed."""
    found = b""
    while block := buffer.pull(now):
        found += block
        now += 0.02
    return found


def test_nothing_plays_before_the_target_is_reached() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    assert buffer.pull(0.0) == b""
    assert buffer.ready_at == INF
    buffer.push(ms(20), 0.0)
    assert buffer.state == "filling"
    assert buffer.pull(0.01) == b""
    assert buffer.ready_at == pytest.approx(0.04)
    buffer.push(ms(20), 0.02)
    assert buffer.pull(0.02) == b""  # one chunk in reserve is half of it
    buffer.push(ms(20), 0.03)
    assert buffer.pull(0.03) == ms(20)
    assert buffer.ready_at == 0.0


@pytest.mark.parametrize("length", [20, 40, 100])
def test_a_steady_stream_keeps_its_reserve(length: int) -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    # Every second chunk is 30 ms late, which the minimum target covers from the first one on.
    arrivals = [(n * length + 30 * (n % 2)) / 1000 for n in range(200)]
    for tick in range(5 * length):
        now = tick / 50
        while arrivals and arrivals[0] <= now:
            buffer.push(ms(length), arrivals.pop(0))
        buffer.pull(now)
    assert buffer.counts.played > len(ms(100 * length)) * 0.9
    assert buffer.counts.underruns == 0


def test_a_large_chunk_does_not_wait() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(140), 0.0)
    assert buffer.pull(0.0) == ms(20)


def test_a_short_answer_plays_after_the_target_time() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(5), 0.0)
    assert buffer.pull(0.039) == b""
    assert buffer.pull(0.04) == ms(5)


def test_a_complete_short_answer_plays_immediately() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(5), 0.0)
    buffer.end()
    assert buffer.ready_at == 0.0
    assert buffer.pull(0.0) == ms(5)
    assert buffer.state == "idle"
    assert buffer.counts.underruns == 0


def test_the_end_of_an_answer_is_not_an_underrun() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(100), 0.0)
    assert played(buffer) == ms(100)
    buffer.end()
    assert buffer.state == "idle"
    buffer.push(ms(100), 5.0)
    assert played(buffer, 5.04) == ms(100)
    assert buffer.counts.underruns == 0


def test_more_of_an_answer_after_silence_is_an_underrun() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(40), 0.0)
    assert buffer.pull(0.04) + buffer.pull(0.06) == ms(40)
    assert buffer.pull(0.08) == b""
    buffer.push(ms(100), 0.24)
    assert buffer.target == pytest.approx(0.2)  # at least the gap that was not covered
    assert buffer.pull(0.24) == b""
    assert buffer.pull(0.44) == ms(20)
    assert buffer.counts.underruns == 1
    assert buffer.counts.concealed == pytest.approx(0.36)


def test_the_target_follows_the_jitter_and_keeps_its_bounds() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    now = 0.0
    for _ in range(200):
        buffer.push(ms(20), now)
        now += 0.06
    assert buffer.target == pytest.approx(0.12, rel=0.05)
    for _ in range(200):
        buffer.push(ms(20), now)
        now += 0.38
    assert buffer.target == PLAIN.max_target
    for _ in range(400):
        buffer.push(ms(20), now)
        now += 0.02
    assert buffer.target == PLAIN.min_target
    buffer.push(ms(20), now + 60.0)  # a pause is not jitter
    assert buffer.target == PLAIN.min_target


def test_the_oldest_audio_is_dropped_beyond_the_limit() -> None:
    buffer = JitterBuffer(MONO, PlaybackConfig(fade=0.0, max_buffered=1.0))
    assert buffer.push(ms(900, 1), 0.0) == 0
    assert buffer.push(ms(300, 2), 0.0) == len(ms(200))
    assert buffer.push(b"", 0.0) == 0
    assert played(buffer) == ms(700, 1) + ms(300, 2)
    assert (buffer.counts.dropped, buffer.counts.overruns) == (len(ms(200)), 1)


def test_a_flush_drops_the_buffer_and_starts_again() -> None:
    buffer = JitterBuffer(MONO, PLAIN)
    buffer.push(ms(100), 0.0)
    buffer.pull(0.04)
    assert buffer.flush() == len(ms(80))
    assert buffer.state == "idle"
    assert buffer.pull(1.0) == b""
    buffer.push(ms(100, 7), 2.0)
    assert played(buffer, 2.04) == ms(100, 7)


@pytest.mark.parametrize("audio_format", [MONO, STEREO])
def test_transitions_to_silence_are_faded(audio_format: AudioFormat) -> None:
    buffer = JitterBuffer(audio_format)
    sound = ms(100) * audio_format.channels
    buffer.push(sound, 0.0)
    buffer.end()
    out = samples_of(played(buffer))
    assert len(out) == len(sound) // 2
    inner = 80 * audio_format.channels
    assert all(value == 1000 for value in out[inner:-inner])
    jumps = [abs(b - a) for a, b in zip(out, out[audio_format.channels :], strict=False)]
    assert max(jumps) <= 13
    assert out[0] <= 13
    assert out[-1] == 0


def test_sound_that_stops_unexpectedly_ends_in_a_ramp() -> None:
    buffer = JitterBuffer(MONO)
    buffer.push(ms(40), 0.0)
    out = played(buffer)
    assert len(out) == len(ms(45))
    assert buffer.counts.ramps == len(ms(5))
    assert samples_of(out)[-1] == 0
    assert buffer.counts.played == len(ms(40))
    silent = JitterBuffer(MONO)
    silent.push(ms(40, 0), 0.0)
    assert played(silent) == ms(40, 0)


def test_a_partial_block_before_a_silence_is_short_and_faded() -> None:
    buffer = JitterBuffer(MONO)
    buffer.push(ms(50), 0.0)
    out = played(buffer)
    assert len(out) == len(ms(50))
    assert samples_of(out)[-1] == 0
    assert buffer.state == "filling"


def test_volume_is_protected_from_clipping() -> None:
    buffer = JitterBuffer(MONO, PlaybackConfig(fade=0.0, volume=4.0))
    buffer.push(ms(20, 20_000) + ms(20, -20_000), 0.0)
    out = samples_of(played(buffer))
    assert (min(out), max(out)) == (-32768, 32767)


@pytest.mark.parametrize(
    "wrong",
    [
        {"block": 0.0},
        {"min_target": 0.5},
        {"max_target": 200.0},
        {"volume": -1.0},
        {"fade": -0.1},
    ],
)
def test_invalid_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"min_target|block|volume|fade"):
        PlaybackConfig(**wrong)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=50), st.integers(1, 2000))
def test_any_chunks_give_the_same_samples(sizes: list[int], block: int) -> None:
    total = sum(sizes)
    sound = tone(440, total, 16_000)
    buffer = JitterBuffer(MONO, PlaybackConfig(fade=0.0, block=block / 16_000 + 0.001))
    place = 0
    for size in sizes:
        buffer.push(sound[2 * place : 2 * (place + size)], 0.0)
        place += size
    buffer.end()
    assert played(buffer) == sound


class Accounts(RuleBasedStateMachine):
    """In any sequence of calls, every byte is in one of four counts."""

    def __init__(self) -> None:
        super().__init__()
        config = PlaybackConfig(max_buffered=0.5)
        self.buffer = JitterBuffer(MONO, config)
        self.now = 0.0
        self.out = 0
        self.given = 0

    @rule(frames=st.integers(0, 20_000), after=st.floats(0, 0.5))
    def push(self, frames: int, after: float) -> None:
        self.now += after
        self.given += 2 * frames
        self.buffer.push(bytes([1, 1]) * frames, self.now)

    @rule(after=st.floats(0, 0.05))
    def pull(self, after: float) -> None:
        self.now += after
        self.out += len(self.buffer.pull(self.now))

    @rule()
    def flush(self) -> None:
        self.buffer.flush()

    @rule()
    def end(self) -> None:
        self.buffer.end()

    @invariant()
    def every_byte_is_somewhere(self) -> None:
        counts = self.buffer.counts
        assert counts.received == self.given
        gone = counts.played + counts.dropped + counts.flushed
        assert counts.received == gone + self.buffer.buffered
        assert counts.played + counts.ramps == self.out

    @invariant()
    def bounded(self) -> None:
        assert 0 <= self.buffer.buffered <= MONO.bytes_of(0.5)
        assert 0.04 <= self.buffer.target <= 0.4

    @invariant()
    def buffered_audio_plays_in_time(self) -> None:
        if self.buffer.buffered:
            assert self.buffer.ready_at <= self.now + 0.4
        if self.buffer.state == "idle":
            assert self.buffer.buffered == 0


TestAccounts = Accounts.TestCase

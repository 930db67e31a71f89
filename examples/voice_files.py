"""Send speech from a sound file, and write the spoken answer to another file.

    python examples/voice_files.py http://127.0.0.1:8080 question.wav answer.wav

It needs no microphone and no speaker, which helps in tests, telephony and batch jobs. WAV files of
16-bit samples need no extras; other formats need the extra `audio`.
"""

import sys

import trio

import realtime_trio as rt


async def show(client: rt.Client) -> None:
    """Print the answer as text."""
    with client.subscribe(rt.MessageComplete, rt.MessageAdded) as notes:
        async for note in notes:
            print(f"{note.message.role}: {note.message.content}")


async def main(url: str, question: str, answer: str) -> None:
    """Send the file, play the complete answer, and leave."""
    async with (
        rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client,
        rt.audio.open_wav_sink(answer) as sink,
        client.audio.play_to(sink) as playback,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(show, client)
        await client.ready()
        over = client.subscribe(rt.AllNotificationsCleared)  # the end of a turn
        async with client.push_to_talk():
            await client.audio.send_from(rt.audio.open_wav(question))
        with over:
            await over.receive()
        await playback.drained()
        heard = playback.statistics()
        print(f"{heard.position:.1f} seconds of speech are in {answer}")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])

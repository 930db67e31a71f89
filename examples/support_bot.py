"""A bot that answers questions with an agent, and gives up politely.

`examples/test_support_bot.py` tests it without a network, on a virtual clock.
"""

import sys

import trio

import realtime_trio as rt

PATIENCE = 30.0  # seconds for one answer
SORRY = "Sorry, that took too long. A person will write to you."
FAILED = "Sorry, something went wrong. A person will write to you."


class SupportBot:
    """Answers one question at a time."""

    def __init__(self, client: rt.Client) -> None:
        self._client = client
        self.escalated: list[str] = []
        """The questions that a person has to answer."""

    async def reply(self, question: str) -> str:
        """Return the agent's answer, or an excuse after PATIENCE seconds."""
        with trio.move_on_after(PATIENCE):
            # Leaving `ask` by the timeout cancels the turn on the server, too.
            async with self._client.ask(question) as turn:
                text = "".join([piece async for piece in turn.text])
            match turn.outcome:
                case rt.TurnCompleted() if text:
                    return text
                case _:
                    return self._escalate(question, FAILED)
        return self._escalate(question, SORRY)

    def _escalate(self, question: str, excuse: str) -> str:
        self.escalated.append(question)
        return excuse


async def main(url: str, questions: list[str]) -> None:
    """Answer each question."""
    async with rt.open_client(url, auth=rt.PasswordLogin("me", "secret")) as client:
        await client.ready()
        bot = SupportBot(client)
        for question in questions:
            print(await bot.reply(question))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2:])

"""The chat at a terminal: a prompt that stays, and the conversation above it.

prompt_toolkit needs asyncio, so it runs in a separate thread and only draws and reads keys.
Everything else runs on trio: ``_prompt_terminal`` connects the two.

General layout, from the terminal to the conversation:

- ``_prompt_terminal`` (the thread), ``_input_keys``, ``_word_completer`` and ``_input_history``.
- ``_markdown_stream`` (text that is still being written) and ``_chat_view`` (the display).
- ``_chat_status`` (the status line) and ``_slash_commands``.
- ``_chat_tasks``: the tasks of one chat.
"""

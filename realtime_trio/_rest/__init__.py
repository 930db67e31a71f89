"""REST calls next to the websocket: login, tokens, upload, URLs."""

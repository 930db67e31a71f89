"""The REST calls beside the websocket: login, tokens, upload, URLs."""

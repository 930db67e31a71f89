"""The client object and ``open_client``."""

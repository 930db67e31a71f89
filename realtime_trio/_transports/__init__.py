"""Websockets: dialling, reading and writing frames, in memory or over a real socket."""

"""Realtime agent streams for trio."""

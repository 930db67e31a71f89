"""Lanes and subscriptions: everything between the codec and the application."""

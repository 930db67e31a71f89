"""Voice: playing the agent's speech and sending the user's."""

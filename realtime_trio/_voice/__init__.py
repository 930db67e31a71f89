"""Voice: hearing the agent and talking to it."""

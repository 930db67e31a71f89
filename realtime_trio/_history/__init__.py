"""History: the state at any position of a journal, a recording or a trace."""

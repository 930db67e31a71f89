"""The trio shell: tasks, deadlines, channels."""

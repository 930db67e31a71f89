"""Pure folds: one event and one slice in, a new slice and notifications out."""

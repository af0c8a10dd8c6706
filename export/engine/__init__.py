"""What trains any recipe: the loop, checkpoints, schedules, optimiser, scores."""

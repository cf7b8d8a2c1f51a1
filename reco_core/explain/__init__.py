"""What each driver contributes to an estimate."""

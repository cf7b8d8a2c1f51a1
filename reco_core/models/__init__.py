"""Models that learn respiration from samples, and the links between respiration and its drivers."""

"""Real-time answers from the champion: compiled for one row, followed through promotions, every one of them kept."""

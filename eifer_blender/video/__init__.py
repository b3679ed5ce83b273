"""Moving pictures in and out: video files and numbered pictures as upright RGB frames with their times."""

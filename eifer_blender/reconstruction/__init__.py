"""From a video of a face to an animation: the face followed, read, smoothed; and electrodes removed."""

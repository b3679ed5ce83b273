"""Data sets for training: sEMG envelopes beside 3DMM parameters, in the layout of MMM and MaM."""

"""Simulated physiology: muscle plans, the face they move and the surface EMG they give."""

"""Phase 1 of the paper: faces under electrodes, their geometry and their look without electrodes."""

"""The command line. Not part of the extension; importing it needs the standard library only."""

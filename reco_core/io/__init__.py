"""The only room that opens and writes files."""

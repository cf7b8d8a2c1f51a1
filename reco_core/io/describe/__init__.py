"""What a file or folder holds, without reading it whole."""

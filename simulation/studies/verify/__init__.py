"""Known answers: cases whose outcome theory or a reference implementation gives."""

"""Five ways to have an idea, one file each, behind one small protocol."""

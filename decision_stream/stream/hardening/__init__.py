"""What stock Faust 0.15.3 gets wrong about losing nothing, put right through its public seams, one file per hole."""

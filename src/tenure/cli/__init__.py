"""Floor 9: the command line. One file per verb; `main` lists them and loads the one that is called."""

"""The command line: how options are read, what help says, and what is made of mistakes."""

"""The command line: arguments, files, exit codes and progress."""

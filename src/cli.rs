//! What can be asked on the command line; it does nothing itself.

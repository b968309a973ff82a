//! A local stand-in for the Qualtrics API.

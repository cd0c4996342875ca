"""Why dev examples failed: by reading their answers, and by experiment on a sample of them within a stated number of calls."""

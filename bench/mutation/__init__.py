"""Which small faults in the code that decides would the tests notice?"""

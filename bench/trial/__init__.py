"""Does the trial of a challenger keep its error, and how long does it take?"""

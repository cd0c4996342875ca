"""Inputs that nobody would write by hand, found by coverage: does whatever reads text from outside hold?"""

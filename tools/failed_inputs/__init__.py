"""Inputs on which programs of this kind have failed, by what they are about."""

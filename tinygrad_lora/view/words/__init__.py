"""Sentences, markup and highlighted code for people."""

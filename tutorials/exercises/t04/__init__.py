"""Exercises of tutorial 04: Order and accumulation."""

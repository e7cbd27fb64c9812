"""Stands for `sqlite3`, which this Pyodide has not: IPython wants to keep its history there, and does without."""


class Error(Exception): ...


class DatabaseError(Error): ...


class OperationalError(DatabaseError): ...


class IntegrityError(DatabaseError): ...


class Connection: ...


PARSE_DECLTYPES, PARSE_COLNAMES = 1, 2


def connect(*_, **__):
    raise OperationalError("there is no sqlite3 in this browser")


def register_adapter(*_): ...


def register_converter(*_): ...

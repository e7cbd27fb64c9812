"""Known wrong answers: merge and unmerge."""

from tinygrad_lora.learn.exercises.t11.merge import Adapted, exercise


@exercise.mutant("double-merge")
class MergesEveryTime(Adapted):
    def merge(self):
        self.kept = self.W if self.kept is None else self.kept
        self.W = self.W + self.s * (self.A @ self.B)


@exercise.mutant("not-exact")
class SubtractsAgain(Adapted):
    def unmerge(self):
        if self.kept is not None:
            self.W, self.kept = self.W - self.s * (self.A @ self.B), None


@exercise.mutant("changed-base")
class ChangesTheGivenArray(Adapted):
    def merge(self):
        if self.kept is None:
            self.kept = self.W.copy()
            self.W += self.s * (self.A @ self.B)


@exercise.mutant("counted-twice")
class AddsTheAdapterAlways(Adapted):
    def forward(self, x):
        return x @ self.W + self.s * ((x @ self.A) @ self.B)


@exercise.mutant("missing-factor")
class ForgetsTheScaling(Adapted):
    def merge(self):
        if self.kept is None:
            self.kept, self.W = self.W, self.W + self.A @ self.B


@exercise.mutant("stale-product")
class RemembersTheProduct(Adapted):
    def __init__(self, W, A, B, s):
        super().__init__(W, A, B, s)
        self.change = s * (A @ B)

    def merge(self):
        if self.kept is None:
            self.kept, self.W = self.W, self.W + self.change

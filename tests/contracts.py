"""Import contracts of our own: private modules, and modules that only a few may import."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateModules(Contract):
    """Every import of `package._module` comes from `package` or below it."""

    type_name = "private"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = sorted(
            (importer, imported)
            for imported in graph.modules
            if (owner := _owner(imported)) is not None
            for importer in graph.find_modules_that_directly_import(imported)
            if importer != owner and not importer.startswith(f"{owner}.")
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} imports {imported}, which is private to {_owner(imported)}", bold=False)


def _owner(module: str) -> str | None:
    """Return the package to which a module is private; None for a public one."""
    parts = module.split(".")
    private = [i for i, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
    return ".".join(parts[: private[0]]) if private else None


class HoldersOnly(Contract):
    """A module is imported by the listed modules alone, and each of these does import it."""

    type_name = "holders"
    module = fields.StringField()
    holders = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = set(graph.find_modules_that_directly_import(str(self.module)))
        held = {str(holder) for holder in self.holders}
        return ContractCheck(
            kept=found == held, metadata={"others": sorted(found - held), "absent": sorted(held - found)}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        for name in check.metadata["others"]:
            output.print_error(f"{name} imports {self.module} and is no listed holder", bold=False)
        for name in check.metadata["absent"]:
            output.print_error(f"{name} is a listed holder and does not import {self.module}", bold=False)

"""Transactions on groups of people."""

from __future__ import annotations

from gallery.records import groups
from gallery.records.groups import Group, NewGroup
from gallery.transactions.people import PeopleTransactions


class GroupTransactions(PeopleTransactions):
    """Transactions on groups. Each raises GroupNotFoundError where there is none."""

    def create_group(self, new: NewGroup) -> Group:
        """Make a group. Raises InvalidNameError, InvalidRequestError, GroupExistsError."""
        with self.database.write() as connection:
            return groups.create(connection, new)

    def list_groups(self) -> tuple[Group, ...]:
        """List all groups, by id."""
        with self.database.read() as connection:
            return groups.list_all(connection)

    def get_group(self, group_id: str) -> Group:
        """Read a group."""
        with self.database.read() as connection:
            return groups.get(connection, group_id)

    def delete_group(self, group_id: str) -> None:
        """Delete a group. The people in it stay."""
        with self.database.write() as connection:
            groups.remove(connection, group_id)
        self.note_deletions()

    def list_group(self, group_id: str) -> dict[str, str]:
        """List the people in a group: names by ids, sorted."""
        with self.database.read() as connection:
            return groups.names_of(connection, group_id)

    def add_to_group(self, group_id: str, person_id: str) -> bool:
        """Put a person into a group, whose retention may shorten theirs.

        Returns False where the person is in it already. Raises PersonNotFoundError.
        """
        with self.database.write() as connection:
            added = groups.add(connection, group_id, person_id)
        self._look_at = 0.0
        return added

    def take_from_group(self, group_id: str, person_id: str) -> bool:
        """Take a person out of a group. Returns False where they are not in it.

        Raises PersonNotFoundError.
        """
        with self.database.write() as connection:
            removed = groups.take_out(connection, group_id, person_id)
        self.note_deletions()
        return removed

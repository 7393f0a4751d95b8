"""How a call takes the presses that wait in the page: the other half of `presses.js`."""


def take_presses(elem_id: str) -> str:
    """JavaScript for an event's ``js``: the waiting presses of a ``gr.HTML`` take the place of the first input."""
    return f"(none, state) => [document.getElementById('{elem_id}').presses.splice(0), state]"

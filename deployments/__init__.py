"""What turns flows into running deployments: work pools, limits, automations, and the stack on one machine."""

"""The structure of a network: channels that go together, blocks, removal, what it costs."""

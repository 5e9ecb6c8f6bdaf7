//! SDK to edge: JSON over one WebSocket per page, externally tagged, one key a message.

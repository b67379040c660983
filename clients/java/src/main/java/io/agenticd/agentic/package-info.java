/**
 * The client of agenticd, a daemon that puts AI voice agents on phone calls. {@link
 * io.agenticd.agentic.AgenticClient} is the way in; answers and events are the contract's own
 * messages, in {@code io.agenticd.agentic.v1}.
 */
package io.agenticd.agentic;

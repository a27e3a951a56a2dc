/** One worker's share of what the configuration allows to all: connections come to the workers in turn, so each has its part of them. */
import { availableParallelism } from 'node:os'
import type { Config } from '../config/settings.js'

/** Processes that take clients; 1: the one that has the shard does all. */
export function workersOf(config: Config): number {
  return config.listen.workers === 0 ? availableParallelism() : config.listen.workers
}

/**
 * The same configuration with limits that count for the server as a whole divided by `workers`, rounded up. What counts for one device or
 * one connection stays. 0, which is no limit, stays 0.
 */
export function shareOf(config: Config, workers: number): Config {
  const part = (value: number): number => Math.ceil(value / workers)
  const { limits, auth } = config
  return {
    ...config,
    limits: {
      ...limits,
      connectionsMax: part(limits.connectionsMax),
      connectionsByAddressMax: part(limits.connectionsByAddressMax),
      openingByAddressMax: part(limits.openingByAddressMax),
      openingsAtOnce: part(limits.openingsAtOnce),
    },
    auth: {
      ...auth,
      failuresBurst: part(auth.failuresBurst),
      failureRefillMs: auth.failureRefillMs * workers,
      registrationsBurst: part(auth.registrationsBurst),
      registrationRefillMs: auth.registrationRefillMs * workers,
      registrationsPerHour: part(auth.registrationsPerHour),
    },
  }
}

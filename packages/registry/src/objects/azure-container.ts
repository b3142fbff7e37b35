import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { RegistryError } from "../registry-error.ts";
import type { ObjectContainer } from "./object-container.ts";
import type { ObjectPlace } from "./object-store.ts";
import { type BlockTarget, type BlockUpload, uploadBlocks } from "./upload-blocks.ts";

const connectionVariable = "AZURE_STORAGE_CONNECTION_STRING";
const sasVariable = "AZURE_STORAGE_SAS_TOKEN";
const shaKey = "sha256";

/**
 * Opens `azblob://account/container/path` in Azure Blob Storage, with a connection string or a shared access signature
 * from the environment.
 *
 * @throws RegistryError `invalid` for a target that is none, or without credentials or the SDK
 */
export async function openAzurePlace(target: string, env: NodeJS.ProcessEnv): Promise<ObjectPlace> {
  const [, account = "", name = "", path = ""] =
    /^azblob:\/\/([a-z0-9]{3,24})\/([a-z0-9][a-z0-9-]{2,62})\/(.+?)\/*$/.exec(target) ?? [];
  if (path === "") {
    throw new RegistryError(
      "invalid",
      `invalid reference "${target}"; expected azblob://account/container/path, such as azblob://mymodels/registry/resnet50/1`,
    );
  }
  const container = await containerClient(account, name, env);
  return { path, container: azureContainer(container) };
}

async function containerClient(
  account: string,
  container: string,
  env: NodeJS.ProcessEnv,
): Promise<ContainerClient> {
  const { BlobServiceClient, AnonymousCredential } = await importSdk();
  const { [connectionVariable]: connection, [sasVariable]: sas } = env;
  if (connection) {
    const service = BlobServiceClient.fromConnectionString(connection);
    if (service.accountName === account) return service.getContainerClient(container);
    throw new RegistryError(
      "invalid",
      `${connectionVariable} is of the account ${service.accountName}, not ${account}`,
    );
  }
  if (!sas) {
    throw new RegistryError(
      "invalid",
      `set ${connectionVariable} or ${sasVariable} for ${account}`,
    );
  }
  const url = `https://${account}.blob.core.windows.net?${sas.replace(/^\?/, "")}`;
  return new BlobServiceClient(url, new AnonymousCredential()).getContainerClient(container);
}

async function importSdk(): Promise<typeof import("@azure/storage-blob")> {
  try {
    return await import("@azure/storage-blob");
  } catch (cause) {
    throw new RegistryError(
      "invalid",
      "azblob:// needs the SDK of Azure: npm install @azure/storage-blob",
      { cause },
    );
  }
}

/** The blocks of a blob. A blob that has never been committed has blocks, too. */
function blockTarget(blob: BlockBlobClient, { sha256, signal }: BlockUpload): BlockTarget {
  const options = signal ? { abortSignal: signal } : {};
  return {
    staged: async () => {
      const list = await unlessAbsent(() => blob.getBlockList("uncommitted"));
      return new Map(list?.uncommittedBlocks?.map(({ name, size }) => [name, size]));
    },
    stage: (id, bytes, md5) =>
      remotely(async () => {
        const transactionalContentMD5 = md5;
        await blob.stageBlock(id, bytes, bytes.length, { ...options, transactionalContentMD5 });
      }),
    commit: (ids) =>
      remotely(async () => {
        try {
          await blob.commitBlockList([...ids], { ...options, metadata: { [shaKey]: sha256 } });
        } catch (thrown) {
          // Another process may have committed the same file, which ends the blocks of both.
          const isThere = statusOf(thrown) === 400 && (await committedSha256(blob)) === sha256;
          if (!isThere) throw thrown;
        }
      }),
  };
}

async function committedSha256(blob: BlockBlobClient): Promise<string | undefined> {
  return (await unlessAbsent(() => blob.getProperties()))?.metadata?.[shaKey];
}

function azureContainer(client: ContainerClient): ObjectContainer {
  const blob = (path: string) => client.getBlockBlobClient(path);
  return {
    read: (path) => unlessAbsent(() => blob(path).downloadToBuffer()),
    sha256Of: (path) => committedSha256(blob(path)),
    writeFile: (path, upload) => uploadBlocks(blockTarget(blob(path), upload), upload),
    create: (path, bytes) =>
      remotely(async () => {
        try {
          const conditions = { ifNoneMatch: "*" };
          await blob(path).upload(bytes, bytes.byteLength, { conditions });
          return true;
        } catch (thrown) {
          if ([409, 412].includes(statusOf(thrown) ?? 0)) return false;
          throw thrown;
        }
      }),
    download: (path, { file, start }) =>
      remotely(async () => {
        // An empty range is refused, and so is one of an empty blob.
        const { readableStreamBody } = await blob(path).download(start);
        const flags = start > 0 ? "a" : "w";
        if (readableStreamBody)
          await pipeline(readableStreamBody, createWriteStream(file, { flags }));
      }),
  };
}

/** @see https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes */
const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof Error && "statusCode" in thrown ? Number(thrown.statusCode) : undefined;

async function unlessAbsent<Result>(run: () => Promise<Result>): Promise<Result | undefined> {
  return remotely(async () => {
    try {
      return await run();
    } catch (thrown) {
      if (statusOf(thrown) === 404) return undefined;
      throw thrown;
    }
  });
}

/** Turns errors of the SDK, which repeats transient ones itself, into ours. */
async function remotely<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (cause) {
    const { message } = cause as Error;
    const status = statusOf(cause);
    const [first = ""] = message.split("\n");
    throw new RegistryError(
      status === 404 ? "not-found" : "remote",
      `Azure Blob Storage${status === undefined ? "" : ` answers ${status}`}: ${first}`,
      { cause },
    );
  }
}

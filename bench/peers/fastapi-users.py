"""fastapi-users over SQLite, with passwords hashed as everybody's here, behind one process of uvicorn."""

import contextlib
import importlib.metadata
import json
import os
import socket
import urllib.parse
import uuid

import fastapi
import fastapi_users
import uvicorn
import uvloop
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = "a secret of thirty-two characters"
PASSWORD = os.environ["PEER_PASSWORD"]
EMAILS = [f"user{number}@example.com" for number in range(int(os.environ["PEER_USERS"]))]

engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['PEER_DATA']}/fastapi-users.db")
new_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def set_pragmas(connection, _):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserRead(fastapi_users.schemas.BaseUser[uuid.UUID]):
    pass


class UserCreate(fastapi_users.schemas.BaseUserCreate):
    pass


class UserManager(fastapi_users.UUIDIDMixin, fastapi_users.BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def database():
    async with new_session() as session:
        yield SQLAlchemyUserDatabase(session, User)


passwords = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1),)))


async def manager(users=fastapi.Depends(database)):
    yield UserManager(users, passwords)


def strategy():
    return JWTStrategy(secret=SECRET, lifetime_seconds=86400)


backend = AuthenticationBackend(name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=strategy)
users = fastapi_users.FastAPIUsers[User, uuid.UUID](manager, [backend])
app = fastapi.FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth/jwt")
app.include_router(users.get_users_router(UserRead, UserCreate), prefix="/users")


async def prepare():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    tokens = []
    async with contextlib.asynccontextmanager(database)() as found:
        people = UserManager(found, passwords)
        for email in EMAILS:
            user = await people.create(UserCreate(email=email, password=PASSWORD))
            tokens.append(await strategy().write_token(user))
    return tokens


async def main():
    tokens = await prepare()
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=1024)
    form = {"content-type": "application/x-www-form-urlencoded"}

    def sign_in(email):
        body = urllib.parse.urlencode({"username": email, "password": PASSWORD})
        return [{"method": "POST", "path": "/auth/jwt/login", "headers": form, "body": body, "expect": "access_token"}]

    def read(email, token):
        return [{"method": "GET", "path": "/users/me", "headers": {"authorization": f"Bearer {token}"}, "expect": email}]

    line = {
        "version": importlib.metadata.version("fastapi-users"),
        "sign-in": [sign_in(email) for email in EMAILS],
        "read": [read(email, token) for email, token in zip(EMAILS, tokens, strict=True)],
    }
    print(json.dumps(line), flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="critical")
    await uvicorn.Server(config).serve([listener])


uvloop.run(main())
